/* global SwaggerUIBundle */
// No validator: it would send the document's address to somebody else.
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#interface",
  deepLinking: true,
  validatorUrl: null,
  persistAuthorization: false,
  requestSnippetsEnabled: false,
});
