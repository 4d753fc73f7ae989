"""What upstream has published since the locks were made, and what each of it would change."""
