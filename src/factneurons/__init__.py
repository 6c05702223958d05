"""factneurons."""
