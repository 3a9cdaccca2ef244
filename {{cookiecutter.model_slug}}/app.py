"""The app: the model of `model_lib` behind the HTTP API of `flask_psc_model`."""

from flask_psc_model import create_app

app = create_app("model_lib.model.{{ cookiecutter.__model_class }}")

if __name__ == "__main__":
    app.main()
