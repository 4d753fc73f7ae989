"""Lays a wheelhouse down on this node: environments side by side, one of them active."""
