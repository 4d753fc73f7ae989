"""Versions: from requirements to one pin for each name, with the markers and tags of the target.

Two resolvers stand behind one protocol (`request.Resolver`): `pip_tools` (the default) and `uv`. Both see the
same statement of the question, and give the same pins.
"""
