"""The operator's edge: what `flask …` can do. Click commands; the composition root adds them."""
