{% include "model/" ~ cookiecutter.framework ~ ".py" %}
