"""The rest of the zoo: attacks of torchattacks, run so that its known defects do not show."""
