"""The projects' acceptance suites: the references pass, and named wrong solutions are told why not."""
