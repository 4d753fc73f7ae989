"""What runs on a node: the standard library alone, nothing imported from above."""
