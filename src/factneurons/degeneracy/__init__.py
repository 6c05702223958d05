"""Which neurons of a fact back each other up: groups that each suffice and that are only together needed.

In: a model and the knowledge neurons of facts. Out: per fact its degenerate knowledge neurons, that is
components of neurons, or the reason why there are none.

    distances        how far apart two neurons are, from the weights that join them
    scale            the unit of weights per layer gap, so that distances compare
    single_linkage   the tree of clusters that form while a radius grows
    clusterers       every way to group the neurons, by name
    topology         which clusters live long: the candidates
    comparison       other clusterers of the same distances; chance: random ones; pair_clusters: pairs
    loops            rings in the distances, with the extra `topology`
    functional       which candidates can be spared, suffice, and cannot all be spared
    halving          whether any other grouping of the neurons would do as well
    find             all of it, for many facts
    pairs            degenerate pairs: two neurons that can each be spared, but not both
"""
