// What @shopify/web-pixels-extension does, under the name that its import is given here.
export const register = (callback) => self.shopify.extend("WebPixel::Render", callback);
