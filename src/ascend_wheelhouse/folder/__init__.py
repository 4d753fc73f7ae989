"""What a wheelhouse folder holds, and how it takes its place."""
