"""Models of other libraries as outside experts; each imports its library when it is used."""
