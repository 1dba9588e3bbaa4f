"""The diagrams of the notebooks: a module for each chapter, a function for each diagram.

`make diagrams` draws them all into `notebooks/images/`. They live here, beside `notebooks/` and
not in it, because what is in it is copied for every learner.
"""
