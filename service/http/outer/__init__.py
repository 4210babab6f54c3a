"""The app and the layers around it that know its addresses: versions, methods, pages of other origins."""
