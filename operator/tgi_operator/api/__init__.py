"""The TGIEndpoint resource: its types, the reasons in its status, and the texts that describe them."""
