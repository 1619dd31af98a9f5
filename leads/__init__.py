"""Who people are and what happens with them: the domain, its store, and the panel above them."""
