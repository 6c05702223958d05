"""What it amounts to: frames in, numbers over facts out, with their intervals and controls."""
