"""Models with facts put into chosen neurons: ground truth to judge every method by."""
