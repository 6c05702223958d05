"""Every method and every clusterer, judged by models whose neurons are known."""
