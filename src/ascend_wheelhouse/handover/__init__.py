"""Taking files from people: single files, release archives, whole wheelhouses."""
