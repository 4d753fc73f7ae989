"""The one name that SGLang's CPU path imports unguarded and never calls."""

silu_and_mul = None
