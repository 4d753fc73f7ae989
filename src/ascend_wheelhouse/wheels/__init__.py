"""Reading wheels and the shared objects in them."""
