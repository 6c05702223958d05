"""Which neurons of a fact back each other up: groups that each suffice and that are only together needed.

In: a model and the knowledge neurons of facts. Out: per fact its degenerate knowledge neurons, that is
components of neurons, or the reason why there are none; and the verdict on how the fact is stored.

    find         all of it, for many facts: distances -> clusterers -> judge
    distances    how far apart two neurons are, from the weights that join them
    clusterers   every way to group the neurons, by name
    judge        how a fact is stored, from:
        indices      what losses of P(answer) come to
        functional   which groups can be spared, suffice, and cannot all be spared
        halving      whether any other grouping of the neurons would do as well
        carrying     which other facts a group carries, by those facts' own neurons
    carried      evidence beside the verdict: what suppressing a component does to other facts
    acquisition  how much is lost as more and more components are suppressed
    mediation    which neurons work through which others
    pairs        degenerate pairs: two neurons that can each be spared, but not both
    loops        rings in the distances, with the extra `topology`
    tables       what of it is kept and shown; types: the records
"""
