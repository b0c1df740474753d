"""What we do to the software rather than what it is: rehearsals, kills, damage."""
