"""The web book: the course's pages, read in a browser, with the outputs that they store."""
