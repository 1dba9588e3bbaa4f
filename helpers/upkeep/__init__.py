"""Set-up and care of the course: nothing that a lesson imports."""
