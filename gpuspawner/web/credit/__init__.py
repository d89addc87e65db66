"""The faces of credit: who sees whose, what they may do, and how it is said over HTTP."""
