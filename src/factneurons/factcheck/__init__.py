"""Telling right from wrong facts by a model's neurons.

In: a model, facts with wrong answers, statements. Out: per statement true or doubtful, with the top neurons.

    statements        a prompt and a candidate; what facts give; the split by subject
    relation_neurons  which neurons the facts of a relation have in common, and random ones to compare with
    scoring           the score of a statement by these neurons
    conditions        neurons and what they are compared with, by name
    thresholds        from scores to verdicts and probabilities, one rule for all conditions
    checker           all of it with scikit-learn's interface; saving: on disk
    parsing           statements from sentences and JSON lines
    texts             simple and complex text around a fact's prompt
    measures          precision, recall, F1, AUROC, calibration
"""
