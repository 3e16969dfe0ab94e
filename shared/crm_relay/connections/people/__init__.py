"""A person in connections: erased there and here, and explained."""
