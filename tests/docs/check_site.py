#!/usr/bin/env python3
"""Every link within a site leads somewhere: check_site.py FOLDER. Prints those that do not, and fails."""
import html.parser
import pathlib
import sys
import urllib.parse


class Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.links, self.places = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("id", "name") and value:
                self.places.add(value)
            if name in ("href", "src") and value:
                self.links.append(value)


site = pathlib.Path(sys.argv[1]).resolve()
pages = {path: Page(path.read_text(encoding="utf-8")) for path in site.glob("**/*.html")}
broken = set()
links = 0
for path, page in pages.items():
    for link in page.links:
        url = urllib.parse.urlsplit(link)
        if url.scheme or link.startswith("//"):
            continue
        links += 1
        target = (path.parent / urllib.parse.unquote(url.path)).resolve() if url.path else path
        if not target.exists():
            broken.add(f"{path.name}: {link} is not there")
        elif url.fragment and target in pages and urllib.parse.unquote(url.fragment) not in pages[target].places:
            broken.add(f"{path.name}: {link} names no place of that page")
for each in sorted(broken):
    print(each)
print(f"{links} links on {len(pages)} pages, {len(broken)} broken")
sys.exit(1 if broken or len(pages) < 100 else 0)
