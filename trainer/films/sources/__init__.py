"""The layouts in which films come: folders, tables, archives; `find.index_films` recognises each of them."""
