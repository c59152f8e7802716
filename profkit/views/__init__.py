"""Views: return text or rich renderables from a profile or a diff; they compute nothing that others could need."""
