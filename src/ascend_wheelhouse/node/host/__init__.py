"""What a node is: its processors, NPUs, driver, CANN and settings."""
