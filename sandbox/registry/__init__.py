"""The sandbox's image registry: its process, and the images that it starts with."""
