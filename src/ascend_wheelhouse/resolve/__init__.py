"""From requirements to pins, for a machine that is not this one."""
