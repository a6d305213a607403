// Starts the API reference on the page that names its description in data-openapi.
const place = document.getElementById("reference");

window.SwaggerUIBundle({
  domNode: place,
  url: new URL(place.dataset.openapi, document.baseURI).href,
  presets: [window.SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  deepLinking: true,
  validatorUrl: null,
});
