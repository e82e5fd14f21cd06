"""The course's networks, one file per family; each has `.features` and `.head`."""
