"""Language models behind one interface: chat messages to text, resumed and counted, with a stated guarantee."""
