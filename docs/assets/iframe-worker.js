// Browsers refuse a worker to pages that were opened as files, and the search is one. Here it runs in a
// hidden frame of the page instead; what is sent is copied, as a worker's is. Served pages keep the browser's own.
if (location.protocol === "file:") {
  window.Worker = class {
    constructor(address) {
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.append(this.frame);
      const inside = this.frame.contentWindow;
      inside.postMessage = (data) => {
        const copy = structuredClone(data);
        setTimeout(() => this.onmessage?.({ data: copy }));
      };
      const script = inside.document.createElement("script");
      this.ready = new Promise((resolve, reject) => {
        script.onload = () => resolve(inside);
        script.onerror = () => reject(new Error(`${address} cannot be read`));
      });
      this.ready.catch((error) => this.onerror?.(Object.assign(new Event("error"), { error })));
      script.src = new URL(address, location.href);
      inside.document.head.append(script);
    }

    postMessage(data) {
      const copy = structuredClone(data);
      this.ready.then((inside) => inside.onmessage?.({ data: copy }), () => {});
    }

    terminate() {
      this.frame.remove();
    }
  };
}
