"""Random JSON Schemas of the subset that docs/structured_output.md lists, from a seed."""
import random

FORMATS = ["date", "time", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "uuid",
           "uri"]
PATTERNS = ["^[a-z]{2,5}$", "^(foo|bar)-[0-9]+$", "ab+", "^\\d{3}", "[xyz]$", "^[^a\"\\\\]{1,4}$",
            "^.{3,6}$", "^(a|b|\u00e9){1,3}$", "^\\w+\\s\\w+$", "^\\S{1,8}$"]
WORDS = ["id", "name", "kind", "tags", "a b", "quo\"te", "na\u00efve", "x", "value", "items", "n1",
         "slash\\", "tab\there", "\u4e2d\u6587"]


class SchemaMaker:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.definitions = {}

    def chance(self, share):
        return self.random.random() < share

    def whole(self):
        schema = self.any(0)
        if self.definitions:
            schema = {"$defs": self.definitions, **schema} if "$ref" not in schema else {
                "$defs": self.definitions, "allOf": [schema]}
        return schema

    def any(self, depth):
        makers = [self.string, self.integer, self.number, self.listed, self.scalar]
        if depth < 4:
            makers += [self.object] * 3 + [self.array] * 2 + [self.choice, self.union, self.merged,
                                                              self.reference, self.one_of]
        schema = self.random.choice(makers)(depth)
        if self.chance(0.2):
            schema = {"description": "words", **schema}
        return schema

    def scalar(self, _):
        return {"type": self.random.choice(["boolean", "null"])}

    def string(self, _):
        schema = {"type": "string"}
        pick = self.random.randrange(5)
        if pick == 0:
            schema["pattern"] = self.random.choice(PATTERNS)
        elif pick == 1:
            schema["format"] = self.random.choice(FORMATS)
        elif pick == 2:
            schema["minLength"] = self.random.randrange(4)
            schema["maxLength"] = schema["minLength"] + self.random.randrange(12)
        elif pick == 3:
            schema["maxLength"] = self.random.randrange(1, 40)
        if pick == 0 and self.chance(0.3):
            schema["maxLength"] = 12
        return schema

    def bounds(self, make):
        bounds = {}
        if self.chance(0.5):
            bounds[self.random.choice(["minimum", "exclusiveMinimum"])] = make()
        if self.chance(0.5):
            low = next(iter(bounds.values()), make())
            bounds[self.random.choice(["maximum", "exclusiveMaximum"])] = low + abs(make()) + 2
        return bounds

    def integer(self, _):
        schema = {"type": "integer",
                  **self.bounds(lambda: self.random.randrange(-10 ** self.random.randrange(1, 7),
                                                              10 ** self.random.randrange(1, 7)))}
        if self.chance(0.2):
            schema["multipleOf"] = self.random.choice([2, 3, 5, 7, 10, 16, 100])
            if "minimum" in schema or "exclusiveMinimum" in schema:
                schema.pop("maximum", None)
                schema.pop("exclusiveMaximum", None)
        return schema

    def number(self, _):
        return {"type": "number",
                **self.bounds(lambda: round(self.random.uniform(-1000, 1000),
                                            self.random.randrange(4)))}

    def listed(self, depth):
        values = [self.random.choice(WORDS + [1, 2.5, -3, True, False, None, "", "a/b", [1, "x"],
                                              {"k": 0}]) for _ in range(self.random.randrange(1, 6))]
        if self.chance(0.2):
            return {"const": values[0]}
        return {"enum": values}

    def object(self, depth):
        names = self.random.sample(WORDS, self.random.randrange(0, 6))
        schema = {"type": "object",
                  "properties": {name: self.any(depth + 1) for name in names},
                  "required": [name for name in names if self.chance(0.6)]}
        pick = self.random.randrange(4)
        if pick == 0:
            schema["additionalProperties"] = False
        elif pick == 1:
            schema["additionalProperties"] = self.string(depth)
        if self.chance(0.15) and names:
            schema["maxProperties"] = self.random.randrange(len(schema["required"]), len(names) + 1)
        if self.chance(0.15) and schema.get("additionalProperties") is False:
            schema["minProperties"] = self.random.randrange(
                0, schema.get("maxProperties", len(names)) + 1)
        return schema

    def array(self, depth):
        schema = {"type": "array"}
        if self.chance(0.3):
            schema["prefixItems"] = [self.any(depth + 1)
                                     for _ in range(self.random.randrange(1, 4))]
            if self.chance(0.5):
                schema["items"] = False
        if "items" not in schema:
            schema["items"] = self.any(depth + 1)
        first = len(schema.get("prefixItems", []))
        if self.chance(0.5):
            schema["minItems"] = self.random.randrange(0, 3 if schema["items"] else first + 1)
        if self.chance(0.8):
            schema["maxItems"] = schema.get("minItems", 0) + self.random.randrange(0, 5)
        return schema

    def union(self, _):
        types = self.random.sample(["string", "integer", "boolean", "null", "number"], 2)
        schema = {"type": types}
        if "string" in types:
            schema["maxLength"] = 8
        return schema

    def choice(self, depth):
        return {"anyOf": [self.any(depth + 1) for _ in range(self.random.randrange(1, 4))]}

    def one_of(self, depth):
        kinds = self.random.sample(["cat", "dog", "cow"], 2)
        return {"oneOf": [{"type": "object", "required": ["kind"],
                           "properties": {"kind": {"const": kind}, "of": self.any(depth + 1)}}
                          for kind in kinds]}

    def merged(self, depth):
        pick = self.random.randrange(3)
        if pick == 0:
            return {"allOf": [{"type": "object", "properties": {"a": self.any(depth + 1)}},
                              {"properties": {"b": self.any(depth + 1)}, "required": ["b"]}]}
        if pick == 1:
            return {"allOf": [{"type": "integer", "minimum": -50}, {"maximum": 70}]}
        return {"allOf": [{"type": "string", "maxLength": 9}, {"pattern": "^[a-f]"}]}

    def reference(self, depth):
        name = f"d{self.random.randrange(3)}"
        if name not in self.definitions:
            self.definitions[name] = {}
            if self.chance(0.5):
                made = {"type": "object", "properties": {
                    "value": self.any(depth + 1),
                    "next": {"anyOf": [{"type": "null"}, {"$ref": f"#/$defs/{name}"}]}},
                    "required": ["value", "next"], "additionalProperties": False}
            else:
                made = self.string(depth)
            self.definitions[name].update(made)
        return {"$ref": f"#/$defs/{name}"}


def schema_of(seed):
    return SchemaMaker(seed).whole()
