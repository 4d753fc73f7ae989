"""What is asked for: recipes, stacks, targets and the cell that they make together."""
