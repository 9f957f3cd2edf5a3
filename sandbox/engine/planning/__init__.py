"""Pure decisions: from what is wanted and what is known to what is to be done."""
