# SPDX-License-Identifier: GPL-3.0-or-later
"""What the two languages have in common: words, braces and comments; and what
is said of a translation."""

import ipaddress
import re
import shlex
import sys


class Entry:
    """A line of either file: its words, and what stands in its braces."""

    def __init__(self, path, line, words):
        self.path, self.line, self.words = path, line, words
        self.inside = []

    @property
    def key(self):
        return self.words[0]

    def value(self, default=""):
        return self.words[1] if len(self.words) > 1 else default

    def all(self, key):
        return [e for e in self.inside if e.key.lower() == key.lower()]

    def lists(self):
        """The words of its braces, however they are spread over lines."""
        return [w for e in self.inside for w in e.words]


class Mistake(Exception):
    pass


def split(line):
    """Words, and braces as words of their own; no comments."""
    lexer = shlex.shlex(line.rstrip("\\"), posix=True, punctuation_chars="{}")
    lexer.whitespace_split = True
    lexer.commenters = "#!"
    return [part for word in lexer for part in (
        list(word) if set(word) <= set("{}") else [word])]


def parse(path):
    """The file as one Entry. Names ($NAME=value) are put in, no more."""
    root = Entry(path, 0, ["file"])
    stack, words, names, last = [root], [], {}, None
    with open(path, encoding="utf-8", errors="replace") as f:
        lines = f.read().splitlines()
    for number, text in enumerate(lines, 1):
        named = re.match(r"\s*\$(\w+)\s*=\s*(.*?)\s*$", text)
        if named:
            names[named[1]] = named[2]
            continue
        text = re.sub(r"\$\{?(\w+)\}?",
                      lambda m: names.get(m[1], m[0]), text)
        try:
            parts = split(text)
        except ValueError as e:
            raise Mistake("%s:%d: %s" % (path, number, e)) from None
        for part in parts:
            if part == "{":
                if words:
                    last = Entry(path, number, words)
                    stack[-1].inside.append(last)
                if last is None:
                    raise Mistake("%s:%d: { without a name"
                                  % (path, number))
                stack.append(last)
                words, last = [], None
            elif part == "}":
                if words:
                    stack[-1].inside.append(Entry(path, number, words))
                words, last = [], None
                if len(stack) == 1:
                    raise Mistake("%s:%d: } without {" % (path, number))
                stack.pop()
            else:
                words.append(part)
        if words: # its brace may stand on the next line
            last = Entry(path, number, words)
            stack[-1].inside.append(last)
            words = []
    if len(stack) > 1:
        raise Mistake("%s:%d: { is never closed" % (path, stack[-1].line))
    return root


class Report:
    """What a person has to know of the translation."""

    def __init__(self, verbose):
        self.verbose, self.lost_any = verbose, False
        self.said = set() # a script may be tracked by several

    def _say(self, kind, entry, text):
        line = "%s:%d: %s: %s: %s" % (entry.path, entry.line, kind,
                                      " ".join(entry.words[:2]), text)
        if line not in self.said:
            print(line, file=sys.stderr)
        self.said.add(line)

    def lost(self, entry, text):
        self.lost_any = True
        self._say("lost", entry, text)

    def look(self, entry, text):
        self._say("look", entry, text)

    def fine(self, entry, text):
        if self.verbose:
            self._say("fine", entry, text)


def quoted(values):
    return "{ %s }" % ", ".join('"%s"' % v for v in values)


def single_quoted(text):
    """As a value of statesync.conf that says just this: between " a ${NAME}
    is refused."""
    return "'%s'" % re.sub(r"(['\\])", r"\\\1", text)


def sh_words(text):
    """keepalived runs words, statesync has sh read them."""
    try:
        return shlex.join(shlex.split(text))
    except ValueError: # a quote alone
        return shlex.join(text.split())


def block(head, lines):
    return ["%s {" % head] + ["    " + line for line in lines] + ["}"]


def is_address(text):
    try:
        return ipaddress.ip_interface(text)
    except ValueError:
        return None


def is_network(text):
    return text in ("default", "default6") or bool(is_address(text))
