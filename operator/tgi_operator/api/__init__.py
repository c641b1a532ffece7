"""The TGIEndpoint resource: its types, its status words and the CRD generated from them."""
