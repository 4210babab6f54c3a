"use strict";
// validatorUrl: null keeps Swagger UI from asking an outside validator.
SwaggerUIBundle({ url: "openapi.json", dom_id: "#docs", validatorUrl: null, deepLinking: true });
