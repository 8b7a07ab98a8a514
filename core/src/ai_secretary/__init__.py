"""AI Secretary: an assistant that answers for a person or a small business.

A channel hands the core a *turn*; the core runs it through ordered *stages*; the stages yield a stream of
*reply events*; the channel renders them as text, buttons, an invoice or speech.
"""

__version__ = "0.1.0"
