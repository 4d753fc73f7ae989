"""The name that SGLang's rotary embedding binds on a CPU and replaces by its native path."""

rotary_embedding = None
