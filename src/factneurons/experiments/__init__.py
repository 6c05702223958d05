"""What is measured over many facts: interventions, acquisition, redundancy, their random controls, and statistics."""
