"""The Flask app that serves the model of `model_lib`."""

from flask_psc_model import create_app

app = create_app("model_lib.model.{{ cookiecutter.__model_class }}")

if __name__ == "__main__":
    app.main()
