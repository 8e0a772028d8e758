"""The drawing pad: a page in the browser on which people draw digits that models read.

`demo` finds the runs, `server` serves, `page` lays the page out and answers it, `cards` writes what
was read as HTML, `pad` is what one draws on, `data_urls` are the pictures between the two, and a
`reader` is a model with its name. Below `demo` nothing knows MLflow; the extra `demo` brings
Gradio.
"""
