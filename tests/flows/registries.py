"""Small projects, one for each way to install: one dependency, and two tests of which one fails on the base."""

import json

SUB, ADD = "a - b", "a + b"
_IS_NUMBER = "sha512-41Cifkg6e8TylSpdtTpeLVMqvSBEVzTttHvERD741+pnZ8ANv0004MRL43QKPDlK9cGvNp6NZWZUBlbGXYxxng=="
_CHECKSUM = (
    "10c0/b4686d0d3053146095ccd45346461bc8e53b80aeb7671cc52a4de02dbbf7dc0d"
    "1d2a986e2fe4ae206984b4d34ef37e8b795ebc4f4295c978373e6575e295d811"
)

_PYTHON = {
    "calc.py": f"def add(a, b):\n    return {SUB}\n",
    "test_calc.py": "import iniconfig\n\nfrom calc import add\n\n\n"
    "def test_adds():\n    assert add(2, 3) == 5\n\n\ndef test_other():\n    assert iniconfig.IniConfig\n",
}

_NODE = {
    "package.json": json.dumps(
        {
            "name": "calc",
            "version": "1.0.0",
            "private": True,
            "scripts": {"test": "node --test"},
            "dependencies": {"is-number": "7.0.0"},
        }
    ),
    "calc.js": f"exports.add = (a, b) => {SUB}\n",
    "calc.test.js": "const test = require('node:test')\nconst assert = require('node:assert')\n"
    "const isNumber = require('is-number')\nconst { add } = require('./calc')\n"
    "test('adds', () => assert.equal(add(2, 3), 5))\ntest('other', () => assert(isNumber(1)))\n",
}

_PNPM_LOCK = f"""\
lockfileVersion: '9.0'
settings:
  autoInstallPeers: true
  excludeLinksFromLockfile: false
importers:
  .:
    dependencies:
      is-number:
        specifier: 7.0.0
        version: 7.0.0
packages:
  is-number@7.0.0:
    resolution: {{integrity: {_IS_NUMBER}}}
    engines: {{node: '>=0.12.0'}}
snapshots:
  is-number@7.0.0: {{}}
"""

_YARN_LOCK = f"""\
__metadata:
  version: 8
  cacheKey: 10c0

"calc@workspace:.":
  version: 0.0.0-use.local
  resolution: "calc@workspace:."
  dependencies:
    is-number: "npm:7.0.0"
  languageName: unknown
  linkType: soft

"is-number@npm:7.0.0":
  version: 7.0.0
  resolution: "is-number@npm:7.0.0"
  checksum: {_CHECKSUM}
  languageName: node
  linkType: hard
"""

_GO = {
    "go.mod": "module example.org/calc\n\ngo 1.20\n\nrequire github.com/google/go-cmp v0.6.0\n",
    "go.sum": "github.com/google/go-cmp v0.6.0 h1:ofyhxvXcZhMsU5ulbFiLKl/XBFqE1GSq7atu8tAmTRI=\n"
    "github.com/google/go-cmp v0.6.0/go.mod h1:17dUlkBOakJ0+DkrSSNjCkIjxS6bF9zb3elmeNGIjoY=\n",
    "calc.go": f"package calc\n\nfunc Add(a, b int) int {{ return {SUB} }}\n",
    "calc_test.go": 'package calc\n\nimport (\n\t"testing"\n\n\t"github.com/google/go-cmp/cmp"\n)\n\n'
    "func TestAdds(t *testing.T) {\n\tif Add(2, 3) != 5 {\n\t\tt.Fail()\n\t}\n}\n\n"
    'func TestOther(t *testing.T) {\n\tif cmp.Diff(1, 1) != "" {\n\t\tt.Fail()\n\t}\n}\n',
}

_CARGO = {
    "Cargo.toml": '[package]\nname = "calc"\nversion = "0.1.0"\nedition = "2021"\n\n[dependencies]\nitoa = "1"\n',
    "src/lib.rs": f"pub fn add(a: i32, b: i32) -> i32 {{ {SUB} }}\n\n#[cfg(test)]\nmod tests {{\n"
    "    #[test]\n    fn adds() { assert_eq!(super::add(2, 3), 5); }\n"
    '    #[test]\n    fn other() { assert_eq!(itoa::Buffer::new().format(5), "5"); }\n}\n',
    ".gitignore": "target\n",
}

_JAVA = {
    "src/main/java/calc/Calc.java": "package calc;\n\npublic class Calc {\n"
    f"    public static int add(int a, int b) {{ return {SUB}; }}\n}}\n",
    "src/test/java/calc/CalcTest.java": "package calc;\n\nimport static org.junit.Assert.assertEquals;\n\n"
    "import org.junit.Test;\n\npublic class CalcTest {\n"
    "    @Test public void adds() { assertEquals(5, Calc.add(2, 3)); }\n"
    "    @Test public void other() { assertEquals(1, 1); }\n}\n",
    ".gitignore": "target\nbuild\n.gradle\n",
}

_POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>org.example</groupId><artifactId>calc</artifactId><version>1.0</version>
<properties><maven.compiler.source>17</maven.compiler.source><maven.compiler.target>17</maven.compiler.target></properties>
<dependencies><dependency>
<groupId>junit</groupId><artifactId>junit</artifactId><version>4.13.2</version><scope>test</scope>
</dependency></dependencies></project>
"""

_BUILD_GRADLE = """\
apply plugin: 'java'
repositories { mavenCentral() }
def tests = configurations.findByName('testImplementation') ? 'testImplementation' : 'testCompile'
dependencies { add(tests, 'junit:junit:4.13.2') }
"""


def _node(manager: str, **files: str) -> dict[str, str]:
    package = json.loads(_NODE["package.json"])
    package |= {"packageManager": manager} if manager else {}
    return {**_NODE, "package.json": json.dumps(package), ".gitignore": "node_modules\n.pnp.*\n.yarn\n", **files}


PROJECTS: dict[str, tuple[str, dict[str, str]]] = {
    "pip": ("python3", {**_PYTHON, "requirements.txt": "iniconfig\npytest\n"}),
    "npm": ("npm", _node("")),
    "pnpm": ("npm", _node("", **{"pnpm-lock.yaml": _PNPM_LOCK})),
    "yarn": ("npm", _node("yarn@4.9.2", **{"yarn.lock": _YARN_LOCK})),
    "go": ("go", _GO),
    "cargo": ("cargo", _CARGO),
    "maven": ("mvn", {**_JAVA, "pom.xml": _POM}),
    "gradle": ("gradle", {**_JAVA, "build.gradle": _BUILD_GRADLE}),
}
"""The program that each begins with, and its files."""
